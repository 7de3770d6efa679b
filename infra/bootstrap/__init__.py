"""What CloudFormation may do in an account as it deploys this product, worked out from the synthesized templates."""
